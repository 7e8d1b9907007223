/* Runs before the page is drawn, so that a chosen theme does not flash. */
try {
  const theme = localStorage.getItem("kaskad-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be switched off: then the theme is the system's.
}
