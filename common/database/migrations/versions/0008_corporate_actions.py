"""Splits and dividends, as the provider lists them; prices are never changed by them, only seen through them."""

from alembic import op

revision = "0008"
down_revision = "0007"

CORPORATE_ACTIONS = r"""
CREATE TABLE corporate_actions (
    symbol varchar(32) COLLATE "C" NOT NULL,
    kind varchar(16) NOT NULL,
    ex_date date NOT NULL,
    seq smallint NOT NULL,
    numerator bigint,
    denominator bigint,
    amount numeric(20, 6),
    declared_on date,
    recorded_on date,
    paid_on date,
    provider_text varchar(64) NOT NULL,
    withdrawn_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, kind, ex_date, seq),
    CONSTRAINT corporate_actions_symbol CHECK (
        symbol ~ '^[A-Z0-9.^$*#&-][-A-Z0-9.^=/&$+*'':()#~%!@]*$' AND symbol ~ '[A-Z0-9]'
    ),
    CONSTRAINT corporate_actions_date CHECK (isfinite(ex_date) AND seq >= 0),
    CONSTRAINT corporate_actions_kind CHECK (
        (kind = 'split' AND numerator > 0 AND denominator > 0 AND amount IS NULL)
        OR (
            kind = 'dividend' AND amount > 0 AND amount < 'Infinity'
            AND numerator IS NULL AND denominator IS NULL
        )
    )
);
COMMENT ON TABLE corporate_actions IS 'Splits and dividends of each symbol, in force from the open of ex_date on.';
COMMENT ON COLUMN corporate_actions.seq IS 'Tells two of one kind and day apart, from 0 on.';
COMMENT ON COLUMN corporate_actions.numerator IS 'A split makes numerator shares of denominator.';
COMMENT ON COLUMN corporate_actions.amount IS 'A dividend for each share as paid then, not adjusted for later splits.';
COMMENT ON COLUMN corporate_actions.provider_text IS 'The factor or amount as the provider wrote it.';
COMMENT ON COLUMN corporate_actions.withdrawn_at IS 'Since when the provider''s list has it no more; null: it does.';
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(CORPORATE_ACTIONS)


def downgrade() -> None:
    """Drop it: the provider lists everything again for one call a symbol."""
    op.execute("DROP TABLE corporate_actions")
