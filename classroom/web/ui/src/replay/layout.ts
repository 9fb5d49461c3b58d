/** Where the two pictures stand. Pure. */

export const LAYOUTS = ["both", "pip", "slides", "camera"] as const;
export type Layout = (typeof LAYOUTS)[number];

export type Corner = "top-left" | "top-right" | "bottom-left" | "bottom-right";

/** What is left of a wish when a picture is missing. */
export function possibleLayout(wanted: Layout, hasCamera: boolean, hasSlides: boolean): Layout {
  if (!hasCamera) return "slides";
  return hasSlides ? wanted : "camera";
}

/** The corner that a point belongs to; as shares of width and height. */
export function nearestCorner(x: number, y: number): Corner {
  return `${y < 0.5 ? "top" : "bottom"}-${x < 0.5 ? "left" : "right"}`;
}
