// A table that holds only the rows in sight: 10,000 rows cost what 40 cost. Two custom properties keep the height of the
// rows that are not there, aria-rowcount and aria-rowindex say how many there are.

const SPARE = 8; // rows above and below what is in sight

/** Shows `rows` through `render(row)` → <tr>. With `scroller` it scrolls in that element, else with the page. */
export class WindowedTable {
  #table;
  #body;
  #scroller;
  #render;
  #onVisible;
  #rows = [];
  #first = 0;
  #last = 0;
  #active = 0;
  #scheduled = false;

  constructor(table, { render, scroller = null, onVisible = () => {} }) {
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#scroller = scroller;
    this.#render = render;
    this.#onVisible = onVisible;
    (scroller ?? window).addEventListener("scroll", () => this.#schedule(), { passive: true });
    window.addEventListener("resize", () => this.#schedule());
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("focusin", (event) => this.#focused(event));
  }

  /** Show these rows; the row that `isActive` picks keeps the keyboard's place, else the first has it. */
  setRows(rows, isActive = () => false) {
    this.#rows = rows;
    this.#active = Math.max(0, rows.findIndex(isActive));
    this.#table.setAttribute("aria-rowcount", rows.length + 1);
    this.#draw(true);
  }

  get activeRow() {
    return this.#rows[this.#active];
  }

  /** Put the keyboard on the first row. */
  enter() {
    if (this.#rows.length) this.#go(0);
  }

  /** Draw the rows in sight again: something they show has come. */
  redraw() {
    this.#draw(true);
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw(false);
    });
  }

  get #rowHeight() {
    return parseFloat(getComputedStyle(this.#table).getPropertyValue("--row")) || 40;
  }

  #inSight() {
    const top = this.#body.getBoundingClientRect().top;
    const edge = this.#scroller ? this.#scroller.getBoundingClientRect().top : 0;
    const height = this.#scroller ? this.#scroller.clientHeight : window.innerHeight;
    const row = this.#rowHeight;
    const first = Math.max(0, Math.floor((edge - top) / row));
    return [Math.min(first, this.#rows.length), Math.min(this.#rows.length, first + Math.ceil(height / row) + 1)];
  }

  #draw(force) {
    const [top, bottom] = this.#inSight();
    if (!force && top >= this.#first && bottom <= this.#last) return;
    this.#first = Math.max(0, top - SPARE);
    this.#last = Math.min(this.#rows.length, bottom + SPARE);
    const held = this.#body.contains(document.activeElement);
    const row = this.#rowHeight;
    this.#body.style.setProperty("--before", `${this.#first * row}px`);
    this.#body.style.setProperty("--after", `${(this.#rows.length - this.#last) * row}px`);
    const shown = this.#rows.slice(this.#first, this.#last);
    this.#body.replaceChildren(...shown.map((item, offset) => this.#row(item, this.#first + offset)));
    if (held) this.#linkOf(this.#active)?.focus({ preventScroll: true });
    this.#onVisible(shown);
  }

  #row(item, index) {
    const row = this.#render(item);
    row.setAttribute("aria-rowindex", index + 2); // the head is row 1
    const link = row.querySelector("a");
    if (link) link.tabIndex = index === this.#active ? 0 : -1; // one stop of the Tab key for the whole list
    if (index === this.#active) row.classList.add("here");
    return row;
  }

  #linkOf(index) {
    return this.#body.rows[index - this.#first]?.querySelector("a");
  }

  #focused(event) {
    const row = event.target.closest("tr");
    this.#mark(this.#first + [...this.#body.rows].indexOf(row));
  }

  #mark(index) {
    for (const [position, mark] of [[this.#active, false], [index, true]]) {
      const link = this.#linkOf(position);
      if (!link) continue;
      link.tabIndex = mark ? 0 : -1;
      link.closest("tr").classList.toggle("here", mark);
    }
    this.#active = index;
  }

  #key(event) {
    const page = Math.max(1, this.#inSight()[1] - this.#inSight()[0] - 3);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#go(Math.min(Math.max(this.#active + step, 0), this.#rows.length - 1));
  }

  #go(index) {
    this.#reveal(index);
    this.#draw(false);
    this.#mark(index);
    this.#linkOf(index)?.focus({ preventScroll: true });
  }

  #reveal(index) {
    const row = this.#rowHeight;
    const head = this.#table.tHead.offsetHeight;
    const top = this.#body.getBoundingClientRect().top + index * row;
    const edge = (this.#scroller ? this.#scroller.getBoundingClientRect().top : 0) + head;
    const floor = this.#scroller ? edge - head + this.#scroller.clientHeight : window.innerHeight;
    const by = top < edge ? top - edge : Math.max(0, top + row - floor);
    if (by) (this.#scroller ?? window).scrollBy({ top: by, behavior: "instant" });
  }
}
