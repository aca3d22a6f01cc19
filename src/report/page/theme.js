// Light and dark: as the system has it, until the reader chooses. Colours are the style sheet's.

const root = document.documentElement;
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
let chosenTheme = new URLSearchParams(location.search).get('theme');
let onTheme = () => {};

/** Calls `listener` when colours have changed. */
export function whenThemeChanges(listener) {
  onTheme = listener;
}

export function applyTheme() {
  const isDark = chosenTheme === null ? systemIsDark.matches : chosenTheme === 'dark';
  root.dataset.theme = isDark ? 'dark' : 'light';
  const button = document.getElementById('theme');
  button.textContent = isDark ? '☀ light' : '☾ dark';
  button.onclick = () => {
    chosenTheme = isDark ? 'light' : 'dark';
    applyTheme();
  };
  onTheme();
}

systemIsDark.addEventListener('change', applyTheme);

export const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

/** Red, green and blue of a colour of the style sheet, which writes them as six digits. */
export const rgb = (name) => [1, 3, 5].map((at) => Number.parseInt(color(name).slice(at, at + 2), 16));
