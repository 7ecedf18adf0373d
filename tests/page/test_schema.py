"""The data's routes against their own OpenAPI document: schemathesis asks what nobody would think of."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from common.values import OutcomeStatus
from plugins.market.web import create_app
from tests.support.rows import bar, outcome, quote, save_bars, save_quotes

#: 50 in every run; SCHEMA_CASES=1000 for the whole of it.
CASES = int(os.environ.get("SCHEMA_CASES", "50"))
#: JSON Schema can't say all that is a symbol, or that a number may stand in blanks.
NOT_ITS_OWN = [negative_data_rejection, positive_data_acceptance]


@pytest.fixture
def schema(page, store, market, limiter):
    """The app with something in every table and in Redis, and its document, as somebody who is logged in gets it."""
    save_bars(store, [bar("IBM"), bar("AAPL")])
    save_quotes(store, [quote("IBM")], [outcome("IBM"), outcome("NOPE", OutcomeStatus.FAILED)])
    market.query("INSERT INTO bar_gaps VALUES ('IBM', '2026-10-01', '2026-10-02', 2, 'open', 0, NULL, now())")
    market.query(
        "INSERT INTO quarantine (run_id, symbol, function, reason, message, payload, received_at, dataset) "
        "VALUES ('r', 'IBM', 'GLOBAL_QUOTE', 'missing_root', 'no data', '{}', now(), 'quotes')"
    )
    app = create_app(page, lambda: "Ada", in_airflow=False)
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


@pytest.mark.timeout(120 + 3 * CASES)
@pytest.mark.parametrize("mode", GenerationMode)
def test_answers_keep_to_the_document(schema, mode):
    """No answer is a 5xx, none has a status or a shape that the document does not have."""
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        if mode is GenerationMode.POSITIVE or list(operation.iter_parameters()):
            given(case=operation.as_strategy(generation_mode=mode))(keeps)()


@settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def keeps(case):
    case.call_and_validate(excluded_checks=NOT_ITS_OWN)
