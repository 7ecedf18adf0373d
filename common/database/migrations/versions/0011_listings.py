"""The provider's lists of companies, with what they said before: a ticker is reused, renamed, moved, and given up."""

from alembic import op

revision = "0011"
down_revision = "0010"

# Each list writes last_seen of nearly every row: with room on its page a row's new version needs no index entry.
LISTINGS = r"""
CREATE TABLE listings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol varchar(32) COLLATE "C" NOT NULL,
    name varchar(200) NOT NULL,
    exchange varchar(64) NOT NULL,
    asset_type varchar(64) NOT NULL,
    ipo_date date,
    delisting_date date,
    status varchar(16) NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    unlisted_at timestamptz,
    CONSTRAINT listings_symbol CHECK (
        symbol ~ '^[A-Z0-9.^$*#&-][-A-Z0-9.^=/&$+*'':()#~%!@]*$' AND symbol ~ '[A-Z0-9]'
    ),
    CONSTRAINT listings_status CHECK (status IN ('Active', 'Delisted')),
    CONSTRAINT listings_dates CHECK (isfinite(ipo_date) AND isfinite(delisting_date)),
    CONSTRAINT listings_times CHECK (first_seen <= last_seen AND last_seen <= unlisted_at)
) WITH (fillfactor = 45);
CREATE UNIQUE INDEX listings_key ON listings (status, symbol, ipo_date, delisting_date) NULLS NOT DISTINCT
WHERE unlisted_at IS NULL;
CREATE INDEX listings_by_symbol ON listings (symbol, first_seen);
COMMENT ON TABLE listings IS 'What the provider''s lists of companies said of each symbol, and from when to when.';
COMMENT ON COLUMN listings.name IS 'May be empty. With another name the same ticker may be another company.';
COMMENT ON COLUMN listings.ipo_date IS 'Of this listing: prices of an earlier one under the ticker may be older.';
COMMENT ON COLUMN listings.first_seen IS 'When a list first said exactly this.';
COMMENT ON COLUMN listings.last_seen IS 'When a list last said it.';
COMMENT ON COLUMN listings.unlisted_at IS 'When a list of this status said it no more; null: the last one does.';
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(LISTINGS)


def downgrade() -> None:
    """Drop it: what is listed costs one call again; what was listed is lost."""
    op.execute("DROP TABLE listings")
