// Light or dark: as the system has it, until somebody chooses.

const KEY = "outcome-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

export function theme(button, changed) {
  const chosen = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const isDark = () => (chosen() ?? (dark.matches ? "dark" : "light")) === "dark";
  const apply = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute(
      "aria-label",
      isDark() ? "Change to light colours" : "Change to dark colours",
    );
    changed();
  };
  button.addEventListener("click", () => {
    try {
      localStorage.setItem(KEY, isDark() ? "light" : "dark");
    } catch {
      // Without storage the system's choice stands.
    }
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}
