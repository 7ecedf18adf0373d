-- What the provider refuses to a key as premium.

-- name: feature_refused_at
-- Since when the provider refuses a feature to a key under its plan.
-- Takes   key_digest, plan, feature; holds_for: the interval after which a refusal holds no more.
-- Returns no row where none holds.
SELECT refused_at
FROM refused_features
WHERE key_digest = %(key_digest)s AND feature = %(feature)s AND plan = %(plan)s
  AND refused_at > now() - %(holds_for)s;

-- name: may_ask_for_feature
-- Whether a call for a feature makes sense; where its refusal is over, one caller is told so and the others are not.
-- Takes   key_digest, plan, feature, holds_for; ask_again_after: the interval within which that one has to answer.
WITH taken AS (
    UPDATE refused_features
    SET asked_again_at = now()
    WHERE key_digest = %(key_digest)s AND feature = %(feature)s AND plan = %(plan)s
      AND refused_at <= now() - %(holds_for)s
      AND (asked_again_at IS NULL OR asked_again_at <= now() - %(ask_again_after)s)
    RETURNING feature
)

SELECT EXISTS (SELECT FROM taken) OR NOT EXISTS (
    SELECT FROM refused_features
    WHERE key_digest = %(key_digest)s AND feature = %(feature)s AND plan = %(plan)s
);

-- name: refuse_feature
-- Remember that the provider refuses a feature to a key under its plan.
-- Takes   key_digest, plan, feature, message, holds_for.
-- Returns until when that holds, or no row where it was known: a refusal that holds stays as it is.
INSERT INTO refused_features AS known (key_digest, feature, plan, message)
VALUES (%(key_digest)s, %(feature)s, %(plan)s, %(message)s)
ON CONFLICT (key_digest, feature) DO UPDATE SET
    plan = excluded.plan, message = excluded.message, refused_at = now(), asked_again_at = NULL
WHERE known.plan <> excluded.plan OR known.refused_at <= now() - %(holds_for)s
RETURNING refused_at + %(holds_for)s;

-- name: allow_feature
-- Forget what the provider refused to a key: it does it now.
-- Takes   key_digest, feature.
DELETE FROM refused_features WHERE key_digest = %(key_digest)s AND feature = %(feature)s;
