-- settle_call: note that a call's reply, or its failure, was seen.
-- Takes   permit_id.
UPDATE api_calls SET settled_at = greatest(now(), sent_at) WHERE permit_id = %(permit_id)s AND settled_at IS NULL;
