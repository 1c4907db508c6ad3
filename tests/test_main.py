"""The command line."""

import numpy as np
import pytest

from skgd import MiniBatchGDRegressor, SGDRegressor, __main__


def test_without_numba_there_is_nothing_to_compile(monkeypatch, capsys):
    monkeypatch.setattr(__main__, "has_numba", lambda: False)
    assert __main__.main(["compile"]) == 1
    assert "pip install skgd[fast]" in capsys.readouterr().err


def test_every_usual_fit_runs_and_is_reported(monkeypatch, capsys):
    fits = __main__.USUAL_FITS if not __main__.has_numba() else __main__.USUAL_FITS[:1]
    monkeypatch.setattr(__main__, "USUAL_FITS", fits)
    monkeypatch.setattr(__main__, "has_numba", lambda: True)
    assert __main__.main(["compile"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("]")[0] for line in lines] == [
        f"[{number:2d}/{len(fits)}" for number in range(1, len(fits) + 1)
    ]
    assert "SGDRegressor(" in lines[0]
    assert lines[0].endswith("(float64, dense)")


def test_an_unknown_command_prints_the_usage(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["warmup"])
    assert "compile" in capsys.readouterr().err


def test_the_usual_fits_are_different():
    fits = [(repr(model), np.dtype(dtype), sparse) for model, dtype, sparse in __main__.USUAL_FITS]
    assert len(set(fits)) == len(fits)
    assert {type(model) for model, *_ in __main__.USUAL_FITS} == {
        SGDRegressor,
        MiniBatchGDRegressor,
    }
