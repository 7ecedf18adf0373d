-- mark_replayed: note that a refused reply was taken up again.
-- Takes   id.
UPDATE quarantine SET replayed_at = now() WHERE id = %(id)s AND replayed_at IS NULL;
