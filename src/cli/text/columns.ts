/**
 * Tables of left-aligned cells, joined by one space, as Kafka's tools print them.
 *
 * Each column is at least its minimum wide, at least as wide as its widest cell when it grows, and a `rest` column ends
 * the line without padding. Missing values are the caller's: `-`.
 */

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  /** Minimum width; `rest` is printed as it is and ends the line. */
  readonly width: number | 'rest'
  /** Whether a longer cell widens the column; default false: it only pushes the rest of its line. */
  readonly grows?: boolean
}

/** The header line and one line a row, without line ends. @param gap between cells; Kafka's tables have one space */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  gap = ' ',
): string[] {
  const widths = columns.map((column) => widthOf(column, rows))
  const line = (cells: readonly string[]) =>
    cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(gap)
  return [
    line(columns.map((column) => column.title)),
    ...rows.map((row) => line(columns.map((column) => column.cell(row)))),
  ]
}

/** A column as wide as its widest cell, whose cells are names that anybody may have chosen. */
export function fitting<Row>(title: string, cell: (row: Row) => string): Column<Row> {
  return { title, cell: (row) => printable(cell(row)), width: title.length, grows: true }
}

/** A table of Shoal's own: two spaces between cells, nothing behind the last one, a line end after each line. */
export function tableText<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  return tableLines(columns, rows, '  ')
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

/** A name that anybody may have chosen, on one line and without what a terminal would obey. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}

function widthOf<Row>(column: Column<Row>, rows: readonly Row[]): number {
  if (column.width === 'rest') return 0
  if (column.grows !== true) return column.width
  return rows.reduce((width, row) => Math.max(width, column.cell(row).length), column.width)
}
