/** Whether the page was exported: a folder of files answers it, in which nothing will ever be new. */

export function isExported(): boolean {
  return "lossdiagRuns" in window;
}
