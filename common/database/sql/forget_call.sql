-- forget_call: take back the note of a call that was never sent. One that was settled stays.
-- Takes   permit_id.
DELETE FROM api_calls WHERE permit_id = %(permit_id)s AND settled_at IS NULL;
