"""The routes of the data, by their addresses below ``api/``: each reads its query and hands the rest on."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from common.values import Symbol
from plugins.market import chart, meta, overview, sparks
from plugins.market.chart import ChartQuery
from plugins.market.page import PageDep

router = APIRouter(prefix="/api")

SymbolPath = Annotated[str, Path(max_length=64)]
ChartQueryDep = Annotated[ChartQuery, Query()]


@router.get("/meta")
def get_meta(request: Request, page: PageDep) -> Response:
    """What the page shows, and up to which session each exchange's data should reach."""
    user: str | None = request.state.user
    return page.json(request, overview.TABLES, lambda: meta.document(page, user), user)


@router.get("/symbols")
def get_symbols(request: Request, page: PageDep, query: Annotated[overview.SymbolQuery, Query()]) -> Response:
    """Every symbol with its newest price, its freshness, and what became of it last."""
    return page.json(request, overview.TABLES, lambda: overview.document(page, query))


@router.get("/symbols.csv")
def get_symbols_csv(request: Request, page: PageDep, query: Annotated[overview.SymbolQuery, Query()]) -> Response:
    """The same for a spreadsheet."""
    return page.csv(request, overview.TABLES, lambda: overview.table(page, query))


@router.get("/sparks")
def get_sparks(request: Request, page: PageDep, query: Annotated[sparks.SparkQuery, Query()]) -> Response:
    """The newest closes of up to 200 symbols, adjusted for splits, oldest first."""
    symbols = sparks.symbols_of(query)
    return page.json(request, sparks.TABLES, lambda: sparks.document(page, symbols, query.sessions))


@router.get("/bars/{symbol:path}.csv")
def get_bars_csv(request: Request, page: PageDep, symbol: SymbolPath, query: ChartQueryDep) -> Response:
    """A symbol's bars for a spreadsheet."""
    ticker = Symbol(symbol)
    return page.csv(request, chart.TABLES, lambda: chart.table(page, ticker, query))


@router.get("/bars/{symbol:path}")
def get_bars(request: Request, page: PageDep, symbol: SymbolPath, query: ChartQueryDep) -> Response:
    """A symbol's bars in a range, as traded, adjusted for splits, or as total return; with what explains them."""
    ticker = Symbol(symbol)
    return page.json(request, chart.TABLES, lambda: chart.document(page, ticker, query))
