/** Decoder of the binary table format: a JSON header followed by 8-aligned little-endian arrays. */

export const Flag = { nan: 1, plusInf: 2, minusInf: 4, zero: 8, absent: 16 } as const;

/** What a heat map needs. The planes hold column after column: index = column * buckets + bucket. */
export interface Matrix {
  quantity: string;
  unit: string;
  axis: string;
  columns: string[];
  records: number;
  buckets: number;
  /** Whether a record covers several steps. */
  windows: boolean;
  firstStep: Float64Array;
  lastStep: Float64Array;
  max: Float32Array;
  flags: Uint8Array;
  /** Median of each column over the whole run. */
  median: Float32Array;
}

/** What a line chart needs. */
export interface Table extends Omit<Matrix, "median"> {
  min: Float32Array;
  last: Float32Array;
  /** The very step of each bucket's largest value. */
  peakStep: Float64Array;
}

export interface ArrayEntry {
  name: string;
  dtype: "f8" | "f4" | "u1";
  shape: number[];
  offset: number;
}

export interface Header {
  quantity: string;
  unit: string;
  axis: string;
  columns: string[];
  records: number;
  buckets: number;
  windows: boolean;
  arrays: ArrayEntry[];
}

const MAGIC = "TBLD";
const VERSION = 2;
const PREFIX = 12;
const KINDS = { f8: Float64Array, f4: Float32Array, u1: Uint8Array } as const;

type Kind = keyof typeof KINDS;

function readHeader(bytes: ArrayBuffer): { header: Header; start: number } {
  if (bytes.byteLength < PREFIX) throw new Error("table answer is too short");
  const text = new TextDecoder();
  if (text.decode(new Uint8Array(bytes, 0, 4)) !== MAGIC) throw new Error("table answer has no TBLD header");
  const view = new DataView(bytes);
  const version = view.getUint8(4);
  if (version !== VERSION) throw new Error(`table format ${version} is not known to this page; reload it`);
  const length = view.getUint32(8, true);
  const header = JSON.parse(text.decode(new Uint8Array(bytes, PREFIX, length))) as Header;
  return { header, start: PREFIX + length };
}

type Reader = <K extends Kind>(name: string, kind: K) => InstanceType<(typeof KINDS)[K]>;

/** Reads arrays by name; they are views into the answer, nothing is copied. */
function arraysOf(bytes: ArrayBuffer, header: Header, start: number): Reader {
  return (name, kind) => {
    const entry = header.arrays.find((candidate) => candidate.name === name);
    if (entry?.dtype !== kind) throw new Error(`table answer lacks the array ${name}`);
    const length = entry.shape.reduce((product, size) => product * size, 1);
    return new KINDS[kind](bytes, start + entry.offset, length) as InstanceType<(typeof KINDS)[typeof kind]>;
  };
}

function common(header: Header, array: Reader) {
  const { quantity, unit, axis, columns, records, buckets, windows } = header;
  return {
    ...{ quantity, unit, axis, columns, records, buckets, windows },
    firstStep: array("first_step", "f8"),
    lastStep: array("last_step", "f8"),
    max: array("max", "f4"),
    flags: array("flags", "u1"),
  };
}

/** Decodes an answer with all planes. */
export function decodeTable(bytes: ArrayBuffer): Table {
  const { header, start } = readHeader(bytes);
  const array = arraysOf(bytes, header, start);
  const [min, last] = [array("min", "f4"), array("last", "f4")];
  return { ...common(header, array), min, last, peakStep: array("peak_step", "f8") };
}

/** Decodes an answer for a heat map. */
export function decodeMatrix(bytes: ArrayBuffer): Matrix {
  const { header, start } = readHeader(bytes);
  const array = arraysOf(bytes, header, start);
  return { ...common(header, array), median: array("median", "f4") };
}

/** One column of a table as plain planes. */
export interface Column {
  name: string;
  firstStep: Float64Array;
  lastStep: Float64Array;
  min: Float32Array;
  max: Float32Array;
  last: Float32Array;
  peakStep: Float64Array;
  flags: Uint8Array;
}

export function columnAt(table: Table, index: number): Column {
  const from = index * table.buckets;
  const to = from + table.buckets;
  return {
    name: table.columns[index] ?? "",
    firstStep: table.firstStep,
    lastStep: table.lastStep,
    min: table.min.subarray(from, to),
    max: table.max.subarray(from, to),
    last: table.last.subarray(from, to),
    peakStep: table.peakStep.subarray(from, to),
    flags: table.flags.subarray(from, to),
  };
}

/** The column of that name, or nothing if the table does not have it. */
export function columnNamed(table: Table, name: string): Column | undefined {
  const index = table.columns.indexOf(name);
  return index < 0 ? undefined : columnAt(table, index);
}
