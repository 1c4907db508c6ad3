"""Links from scikit-learn's diagrams of estimators to our documentation."""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

#: Where `make docs` puts the page of a class, seen from the root of a checkout.
BUILT_PAGE = "docs/_build/html/generated/skgd.{name}.html"


class LinkedToDocs:
    """Mixin for estimators with a page in our documentation."""

    _doc_link_module = "skgd"

    def _get_doc_link(self):
        """Return the address of the page about this class, for scikit-learn's diagrams.

        A class derived outside skgd has none.
        """
        if type(self).__module__.partition(".")[0] != self._doc_link_module:
            return ""
        return page_address(type(self).__name__)


def page_address(name):
    """Return the address of the documentation of a public class; empty if it is not known.

    It is a page of the site that the package's metadata name as its documentation, or else one that
    `make docs` has built in this checkout.
    """
    try:
        links = metadata("skgd").get_all("Project-URL", [])
    except PackageNotFoundError:
        links = []
    for link in links:
        label, address = re.split(r",\s*", link, maxsplit=1)
        if label.lower() == "documentation":
            return f"{address.rstrip('/')}/generated/skgd.{name}.html"
    page = Path(__file__).parents[2] / BUILT_PAGE.format(name=name)
    return page.as_uri() if page.exists() else ""
