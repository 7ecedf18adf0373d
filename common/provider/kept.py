"""A reply that was kept, read again as the client read it: strict JSON, and what a notice in it stands for."""

from common.errors import PayloadRejected
from common.provider.refusals import carries_data, known_words, notices, refusal
from common.provider.request import Request
from common.provider.strict_json import Unreadable, read_object
from common.redaction import one_line


def read_kept(request: Request, text: str) -> dict[str, object]:
    """Return the document of a reply to ``request`` that came with status 200 and was kept whole.

    Raises PayloadRejected for what is no data, or the PipelineError that a known refusal stands for.
    """
    try:
        document = read_object(text.encode())
    except Unreadable as problem:
        raise known_words(text, request.subject) or _rejected(request, problem.code, str(problem), text) from None
    if not request.notice_in_message and carries_data(document):
        return document
    if refused := refusal(document, request.subject, bulk=request.notice_in_message):
        raise refused
    if said := notices(document):
        raise _rejected(request, "unexpected_notice", f"it says {one_line(said[0])!r}", text)
    return document


def _rejected(request: Request, code: str, why: str, text: str) -> PayloadRejected:
    return PayloadRejected(f"{request.subject}: the kept reply cannot be used: {why}.", code=code, payload=text)
