/** Where the drop-in script is from, and what stands beside it. */

/** Its element: a classic script's own, else the first that looks like it. */
export const script =
  (document.currentScript as HTMLScriptElement | null) ??
  document.querySelector<HTMLScriptElement>('script[src*="otp-widget.umd"]');

/**
 * The address of a file that is fetched later, given from this one. The build calls it: a classic
 * script of another site may not know its own address, and nothing could be imported from there.
 */
export const beside = (file: string): string =>
  script?.src ? new URL(file, script.src).href : file;
