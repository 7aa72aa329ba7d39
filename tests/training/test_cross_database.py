"""A finished model on a database that it was not trained on."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats import Beats
from ecgtune.errors import SplitError
from ecgtune.model import Model, load_model
from ecgtune.training import cross_database as module
from ecgtune.training.cross_database import cross_database
from ecgtune.training.tables import index_database


@pytest.fixture
def strict(mitdb: Path) -> Model:
    model = load_model("default")
    records = ["mitdb/106", "mitdb/119"]
    card = model.card | {"training": model.card["training"] | {"records": records}}
    return Model(card, model.folder, model.preprocessing)


@pytest.fixture
def one_record(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Every database as if svdb 802 were the only one of svdb."""

    def index(*names: str, paced: bool = False) -> Beats:
        every = index_database(*names, paced=paced)
        return every.select((every.database != "svdb") | np.isin(every.record, ["802"]))

    monkeypatch.setattr(module, "index_database", index)


@pytest.mark.usefixtures("one_record")
def test_every_annotated_beat_is_scored_and_the_scoring_is_logged(strict: Model) -> None:
    result = cross_database(strict, "strict", "svdb")
    # 1,586 N and 85 V beats are annotated, of which the last lies at the record's end.
    assert result.figures["svdb/802"]["beats"].value == pytest.approx(1671, abs=2)
    assert result.figures["svdb/802"]["V beats"].value == 85
    assert result.figures["svdb"]["V F1"].value > 0.3
    assert result.name == "strict-svdb"
    assert result.divisions[0].protocol == "cross-database"
    assert [entry.model_hash for entry in result.scorings] == [strict.hash]
    assert set(result.data) == {"mitdb", "svdb"}
    again = cross_database(strict, "strict", "svdb", result)
    assert len(again.scorings) == 2


@pytest.mark.usefixtures("one_record")
def test_a_database_that_trained_the_model_is_refused(strict: Model) -> None:
    with pytest.raises(SplitError, match="was trained on mitdb; its figures there are those out of fold"):
        cross_database(strict, "strict", "mitdb")
    unknown = Model(strict.card | {"training": {}}, strict.folder, strict.preprocessing)
    with pytest.raises(SplitError, match="its card lists no training records"):
        cross_database(unknown, "strict", "svdb")
