"""Every column says what it holds; docs/data-dictionary.md is printed from it."""

from alembic import op
from sqlalchemy import text

revision = "0018"
down_revision = "0017"

#: What a column of that name holds wherever nothing was said of it so far.
SHARED = {
    "symbol": "The ticker as the provider writes it, such as IBM or TSCO.LON.",
    "session": "The trading day, a date of the exchange.",
    "open_price": "The first price of the session, in the exchange's unit (pence in London).",
    "high_price": "The highest price of the session, in the exchange's unit.",
    "low_price": "The lowest price of the session, in the exchange's unit.",
    "close_price": "The last price of the session, in the exchange's unit.",
    "price": "The last price, in the exchange's unit.",
    "volume": "Shares traded in the session.",
    "latest_trading_day": "The trading day that the quote is of, a date of the exchange.",
    "previous_close": "The close of the session before, in the exchange's unit.",
    "change_amount": "price less previous_close, as the provider says it.",
    "change_percent": "In percent: -0.4761 is -0.4761 %.",
    "data_timestamp": "When the reply with these values first arrived.",
    "factor": "What the price as traded was multiplied by.",
    "created_at": "When the row was first stored.",
    "updated_at": "When the row was last changed.",
    "run_id": "The run that it belongs to; cli__… is the command line's.",
    "dataset": "What was asked for, such as quotes or daily_bars.",
    "function": "The provider's function that was called, such as GLOBAL_QUOTE.",
    "id": "A number of the row's own.",
    "key_digest": "Stands for the API key, which is nowhere in the database.",
    "reason": "A short code of why, such as inserted or unknown_symbol.",
    "message": "A sentence for a person.",
}

COLUMNS = {
    "adjustment_factors.valid_from": "The first session of the segment; -infinity for the oldest one.",
    "adjustment_findings.code": "What is odd, such as spin_off?; docs/adjusted-prices.md lists them.",
    "adjustment_findings.session": "The session in which the action takes effect.",
    "api_calls.permit_id": "The limiter's name for the call.",
    "api_calls.sent_at": "When the call was about to be sent.",
    "api_calls.settled_at": "When the reply was there, or was given up; null: not known yet.",
    "api_calls.symbol": "What was asked for; null: many symbols, or none.",
    "bar_gap_checks.answered_at": "When the newest answer that was looked at came.",
    "bar_gap_checks.checked_at": "When it was looked at.",
    "bar_gaps.first_session": "The first session without a bar.",
    "bar_gaps.last_session": "The last session without a bar.",
    "corporate_actions.kind": "split or dividend.",
    "corporate_actions.ex_date": "The day from whose open on it is in force.",
    "corporate_actions.denominator": "A split makes numerator shares of denominator.",
    "corporate_actions.declared_on": "When a dividend was declared; null: the provider does not say.",
    "corporate_actions.recorded_on": "Whoever holds the share then is paid; null: the provider does not say.",
    "corporate_actions.paid_on": "When it is paid; null: the provider does not say.",
    "daily_bars.dividend_amount": "As the adjusted series says it; null where a series without it was asked for.",
    "daily_bars.split_coefficient": "As the adjusted series says it; null where a series without it was asked for.",
    "fetch_outcomes.status": "planned until it has ended; then stored, stale, skipped, postponed, quarantined, failed.",
    "fetch_outcomes.detail": "A sentence for a person.",
    "fetch_outcomes.worker": "Which worker had it last.",
    "fetch_outcomes.earlier_calls": "Calls of the attempts before the last one.",
    "fetch_outcomes.retry_at": "When another try makes sense; null: not known, or none does.",
    "fetch_outcomes.planned_at": "When the run was planned.",
    "fetch_outcomes.started_at": "When the last attempt began.",
    "fetch_outcomes.finished_at": "When it ended; null: it has not.",
    "listings.exchange": "The exchange's name as the provider writes it, such as NYSE.",
    "listings.asset_type": "Stock or ETF, as the provider says it.",
    "listings.delisting_date": "When it was delisted; null: it is not, or the provider does not say.",
    "listings.status": "Active or Delisted: the list that said it.",
    "missing_sessions.session": "The trading day that many symbols lack.",
    "missing_sessions.missing": "How many symbols lack it.",
    "quarantine.received_at": "When the reply arrived.",
    "raw_replies.size": "The length of the redacted text in bytes of UTF-8.",
    "refused_features.feature": "What was refused, such as the full history.",
    "refused_features.refused_at": "When it was last refused.",
}

SILENT = text("""
    SELECT relation.relname, attribute.attname
    FROM pg_attribute AS attribute JOIN pg_class AS relation ON relation.oid = attribute.attrelid
    WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'v')
      AND relation.relname <> 'alembic_version' AND attribute.attnum > 0 AND NOT attribute.attisdropped
      AND col_description(attribute.attrelid, attribute.attnum) IS NULL
""")


#: The views of adjusted bars have the bars' columns, but not their prices.
ADJUSTED = {
    f"{view}.{column}": meaning
    for view in ("split_adjusted_bars", "total_return_bars")
    for column, meaning in {
        "open_price": "The first price of the session, adjusted.",
        "high_price": "The highest price of the session, adjusted.",
        "low_price": "The lowest price of the session, adjusted.",
        "close_price": "The last price of the session, adjusted.",
        "volume": "Shares traded in the session, counted in the shares of today.",
    }.items()
}


def upgrade() -> None:
    """Comment on the columns of which nothing was said yet; no row is touched."""
    for relation, column in op.get_bind().execute(SILENT).all():
        name = f"{relation}.{column}"
        if meaning := COLUMNS.get(name) or ADJUSTED.get(name) or SHARED.get(column):
            quoted = meaning.replace("'", "''")
            op.execute(f"COMMENT ON COLUMN {name} IS '{quoted}'")


def downgrade() -> None:
    """Leave them: a comment changes nothing."""
