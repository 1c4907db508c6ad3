"""Notebook manners: links from the diagram to our pages, and a short print."""

from importlib.metadata import PackageNotFoundError

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd._utils import doc_links

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]


class Links:
    """Metadata of a package that names its documentation."""

    def __init__(self, *links):
        self.links = list(links)

    def get_all(self, name, default):
        assert name == "Project-URL"
        return self.links or default


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_the_diagram_links_to_the_page_of_the_class(Regressor, monkeypatch, small):
    links = Links("Source, https://source.example", "Documentation, https://docs.example/skgd/")
    monkeypatch.setattr(doc_links, "metadata", lambda package: links)
    address = f"https://docs.example/skgd/generated/skgd.{Regressor.__name__}.html"
    model = Regressor()
    assert model._get_doc_link() == address
    assert address in model._repr_html_()
    assert address in make_pipeline(StandardScaler(), model).fit(*small)._repr_html_()


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_without_an_address_it_links_to_the_pages_of_the_checkout(Regressor, monkeypatch, tmp_path):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(doc_links, "metadata", missing)
    monkeypatch.setattr(doc_links, "__file__", str(tmp_path / "skgd" / "_utils" / "doc_links.py"))
    assert Regressor()._get_doc_link() == ""
    page = tmp_path / doc_links.BUILT_PAGE.format(name=Regressor.__name__)
    page.parent.mkdir(parents=True)
    page.write_text("")
    assert Regressor()._get_doc_link() == page.as_uri()


def test_a_class_of_somebody_else_links_nowhere(monkeypatch):
    links = Links("Documentation, https://docs.example")
    monkeypatch.setattr(doc_links, "metadata", lambda package: links)

    class Mine(SGDRegressor):
        pass

    assert Mine()._get_doc_link() == ""


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_print_is_short_before_and_after_a_fit(Regressor, small):
    model = Regressor()
    assert repr(model) == f"{Regressor.__name__}()"
    assert repr(model.fit(*small)) == f"{Regressor.__name__}()"
    assert repr(Regressor(alpha=0.5)) == f"{Regressor.__name__}(alpha=0.5)"
