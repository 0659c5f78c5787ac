/** Keys of a chart that has the focus, the same for lines and heat maps. */
import { currentZoom, limited, movedBy, type Range, setZoom, zoomedBy } from "../data/zoom";

/** Where the data cursor is: position among the steps, and among the rows of a heat map. */
export interface Cursor {
  at: number;
  row: number;
}

export interface Board {
  /** Step of each position. */
  steps: ArrayLike<number>;
  rows: number;
  extent: Range;
  /** Positions worth jumping to, in order. */
  anomalies: readonly Cursor[];
}

const FAR = 10;
const CLOSER = 0.5;
const PAN = 0.25;

function clamp(value: number, count: number): number {
  return Math.max(0, Math.min(count - 1, value));
}

/** Where a key moves the cursor; null for other keys. */
export function moved({ at, row }: Cursor, key: string, shift: boolean, board: Board): Cursor | null {
  const by = shift ? FAR : 1;
  const shifts: Record<string, [number, number]> = {
    ArrowUp: [-by, 0],
    ArrowDown: [by, 0],
    ArrowLeft: [0, -by],
    ArrowRight: [0, by],
    PageUp: [-FAR, 0],
    PageDown: [FAR, 0],
    Home: [0, -board.steps.length],
    End: [0, board.steps.length],
  };
  const move = shifts[key];
  if (!move || (board.rows === 1 && move[1] === 0)) return null;
  return { row: clamp(row + move[0], board.rows), at: clamp(at + move[1], board.steps.length) };
}

/** The next or the previous anomaly, from left to right; null where there is none. */
export function anomalyFrom(cursor: Cursor, key: string, board: Board): Cursor | null {
  const behind = (other: Cursor) =>
    other.at > cursor.at || (other.at === cursor.at && other.row > cursor.row);
  const before = (other: Cursor) =>
    other.at < cursor.at || (other.at === cursor.at && other.row < cursor.row);
  if (key === "n") return board.anomalies.find(behind) ?? null;
  return key === "p" ? (board.anomalies.filter(before).at(-1) ?? null) : null;
}

/** Changes the common range; true where the key is one of those. */
export function zoomKey(key: string, around: number, extent: Range): boolean {
  if (key === "+" || key === "=") setZoom(zoomedBy(CLOSER, around, extent));
  else if (key === "-") setZoom(zoomedBy(1 / CLOSER, around, extent));
  else if (key === "0") setZoom(null);
  else if (key === "[" && currentZoom()) setZoom(movedBy(-PAN, extent));
  else if (key === "]" && currentZoom()) setZoom(movedBy(PAN, extent));
  else return key === "[" || key === "]";
  return true;
}

/** From the step where a selection began to the cursor. */
export function selected(anchor: number, step: number, extent: Range): Range | null {
  return limited([Math.min(anchor, step), Math.max(anchor, step)], extent);
}
