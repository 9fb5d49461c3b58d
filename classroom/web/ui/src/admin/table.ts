/** What a table of the administration is made of. */

export interface Column<Row> {
  /** Of its slot, where a cell is more than a text. */
  name: string;
  label: string;
  text?: (row: Row) => string | number;
  /** Numbers stand at the right; what is narrow is never broken. */
  kind?: "number" | "narrow" | "tabular";
}

/** What may be done with a row. */
export interface RowAction {
  label: string;
  run: () => void;
  danger?: boolean;
  disabled?: boolean;
}

/** Which part of all rows is shown; the first page is 1. */
export interface Paging {
  total: number;
  page: number;
  page_size: number;
}

/** How many rows a page of a list has. */
export const PAGE_SIZE = 50;
