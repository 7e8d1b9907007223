/** Style sheets that no policy on inline styles stands against. */

/** What adds these styles to a shadow root, once; all roots share one sheet. */
export function dresser(css: string): (root: ShadowRoot) => void {
  let sheet: CSSStyleSheet | undefined;
  return ({ adoptedStyleSheets }) => {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
    }
    if (!adoptedStyleSheets.includes(sheet)) adoptedStyleSheets.push(sheet);
  };
}
