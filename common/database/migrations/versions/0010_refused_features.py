"""What the provider refuses to a key because its plan does not cover it: remembered, so that no call hears it again."""

from alembic import op

revision = "0010"
down_revision = "0009"

REFUSED_FEATURES = """
CREATE TABLE refused_features (
    key_digest varchar(128) NOT NULL,
    feature varchar(64) NOT NULL,
    plan varchar(255) NOT NULL,
    message varchar(2000) NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    asked_again_at timestamptz,
    PRIMARY KEY (key_digest, feature)
);
COMMENT ON TABLE refused_features IS 'What the provider refuses to a key as premium.';
COMMENT ON COLUMN refused_features.key_digest IS 'Stands for the key, as in api_calls.';
COMMENT ON COLUMN refused_features.plan IS 'The plan that the key had: with another one it is asked at once.';
COMMENT ON COLUMN refused_features.asked_again_at IS 'When one call was let through after the refusal was over.';
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(REFUSED_FEATURES)


def downgrade() -> None:
    """Drop it: asking again costs a call for each feature."""
    op.execute("DROP TABLE refused_features")
