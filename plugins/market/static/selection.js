// Which rows of the overview fit a search and its filters, and in which order.

/** Whether a row fits: the search is in the symbol or the company's name, each filter that is set is equal. */
export function fits(row, { q, exchange, freshness, state }) {
  if (exchange && row.exchange !== exchange) return false;
  if (freshness && row.freshness !== freshness) return false;
  if (state && row.state !== state) return false;
  const wanted = q.toLowerCase();
  return !wanted || row.symbol.toLowerCase().includes(wanted) || (row.name ?? "").toLowerCase().includes(wanted);
}

function compare(one, other) {
  if (typeof one === "number") return one - other;
  return one < other ? -1 : one > other ? 1 : 0; // codes and ISO days: the order of their characters
}

/** Freshness sorts by the sessions behind; what was never stored is the furthest behind. */
function keyOf(row, sort) {
  if (sort !== "freshness") return row[sort];
  return row.freshness === "never" ? Infinity : row.behind;
}

/** A sorted copy. What has no value comes last in both directions; the symbol decides between equals. */
export function sorted(rows, { sort, order }) {
  const sign = order === "desc" ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [left, right] = [keyOf(one, sort) ?? null, keyOf(other, sort) ?? null];
    if (left === null || right === null) return (left === null) - (right === null) || compare(one.symbol, other.symbol);
    return sign * compare(left, right) || compare(one.symbol, other.symbol);
  });
}
