"""The universe: which companies are listed, by the provider's own list, and which of them a run asks for.

A list is CSV and is about no symbol, so it is no dataset: docs/adr/ says why it has a room of its own. A list that is
none is refused whole (PayloadRejected); of a list each line is judged on its own, and one that cannot be read is a
finding (Rejection) that fails nothing else. The codes are stable:

==================== ===============================================================================
``wrong_header``     the columns are not the ones that are known
``cut_short``        the last line does not end: the list was cut
``no_rows``          no line of the list can be read
``wrong_width``      a line has more or fewer cells than the header, or quotes that do not end
``not_a_symbol``     the ticker can be none
``no_value``         exchange or type is empty
``not_a_date``       not YYYY-MM-DD, or no day of the calendar; ``null`` is no date
``ancient_date``     before 1900
``wrong_status``     the line is not of the status that was asked for
``duplicate``        a later line says something of the same listing; that one counts
==================== ===============================================================================
"""
