"""Options of the command line that cannot be what they are read as."""

import pytest

from workers.__main__ import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["quarantine", "list", "--limit", "0"], "argument --limit: '0' is not a number from 1 on"),
        (["quality", "list", "--limit", "ten"], "argument --limit: 'ten' is not a number from 1 on"),
        (["quarantine", "list", "--since", "May"], "argument --since: 'May' is not a day or a time such as"),
        (["export", "x", "--to", "-", "--from", "5"], "argument --from: '5' is not a day such as 2026-10-05"),
        (["adjust", "rebuild", "--symbols", "IBM,@"], "argument --symbols: '@'"),
    ],
)
def test_an_option_says_what_fits(capsys: pytest.CaptureFixture[str], words: list[str], sentence: str):
    """The sentence names the option and the value, and no function of ours."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err
