"""The routes of the prices, by their addresses below ``api/``: each reads its query and hands the rest on."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from common.values import Symbol
from plugins.market import chart, compare, meta, overview, sparks
from plugins.market.chart import ChartQuery
from plugins.market.compare import CompareQuery
from plugins.market.overview import SymbolFileQuery, SymbolQuery
from plugins.market.page import PageDep, User
from plugins.market.parameters import SymbolPath
from plugins.market.schema import CSV_FILE, ERRORS, Bars, Comparison, Meta, Sparks, Symbols, answers
from plugins.market.sparks import SparkQuery

router = APIRouter(prefix="/api", tags=["prices"], responses=ERRORS)


@router.get("/meta", responses=answers(Meta))
def get_meta(request: Request, page: PageDep, user: User) -> Response:
    """What the page shows, and up to which session each exchange's data should reach."""
    listed = overview.all_rows(page)
    return page.json(request, (), lambda: meta.document(page, listed.value, user), listed.version, reader=user or "")


@router.get("/meta.csv", response_class=Response, responses=CSV_FILE)
def get_exchanges_csv(request: Request, page: PageDep) -> Response:
    """The exchanges as a file."""
    listed = overview.all_rows(page)
    return page.csv(request, (), lambda: meta.table(page, listed.value), listed.version)


@router.get("/symbols", responses=answers(Symbols))
def get_symbols(request: Request, page: PageDep, query: Annotated[SymbolQuery, Query()]) -> Response:
    """Every symbol with its newest price, its freshness, and what became of it last."""
    listed = overview.all_rows(page)
    return page.json(request, (), lambda: overview.document(page, listed.value, query), listed.version)


@router.get("/symbols.csv", response_class=Response, responses=CSV_FILE)
def get_symbols_csv(request: Request, page: PageDep, query: Annotated[SymbolFileQuery, Query()]) -> Response:
    """The same as a file, which holds all symbols that fit unless a limit is given."""
    listed = overview.all_rows(page)
    return page.csv(request, (), lambda: overview.table(page, listed.value, query), listed.version)


@router.get("/sparks", responses=answers(Sparks))
def get_sparks(request: Request, page: PageDep, query: Annotated[SparkQuery, Query()]) -> Response:
    """The newest closes of up to 200 symbols, adjusted for splits, oldest first."""
    symbols = sparks.symbols_of(query)
    return page.json(request, sparks.TABLES, lambda: sparks.document(page, symbols, query.sessions))


@router.get("/sparks.csv", response_class=Response, responses=CSV_FILE)
def get_sparks_csv(request: Request, page: PageDep, query: Annotated[SparkQuery, Query()]) -> Response:
    """The same as a file: a line a symbol and session."""
    symbols = sparks.symbols_of(query)
    return page.csv(request, sparks.TABLES, lambda: sparks.table(page, symbols, query.sessions))


@router.get("/compare", responses=answers(Comparison))
def get_comparison(request: Request, page: PageDep, query: Annotated[CompareQuery, Query()]) -> Response:
    """The gains of up to four symbols in percent, from their first common session on."""
    symbols = compare.symbols_of(query)
    return page.json(request, compare.TABLES, lambda: compare.document(page, symbols, query))


@router.get("/compare.csv", response_class=Response, responses=CSV_FILE)
def get_comparison_csv(request: Request, page: PageDep, query: Annotated[CompareQuery, Query()]) -> Response:
    """The same as a file."""
    symbols = compare.symbols_of(query)
    return page.csv(request, compare.TABLES, lambda: compare.table(page, symbols, query))


@router.get("/bars/{symbol:path}.csv", response_class=Response, responses=CSV_FILE)
def get_bars_csv(
    request: Request, page: PageDep, symbol: SymbolPath, query: Annotated[ChartQuery, Query()]
) -> Response:
    """A symbol's bars as a file."""
    ticker = Symbol(symbol)
    return page.csv(request, chart.TABLES, lambda: chart.table(page, ticker, query))


@router.get("/bars/{symbol:path}", responses=answers(Bars))
def get_bars(request: Request, page: PageDep, symbol: SymbolPath, query: Annotated[ChartQuery, Query()]) -> Response:
    """A symbol's bars in a range, as traded, adjusted for splits, or as total return; with what explains them."""
    ticker = Symbol(symbol)
    return page.json(request, chart.TABLES, lambda: chart.document(page, ticker, query))
