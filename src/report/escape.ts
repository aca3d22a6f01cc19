// Text and data in a page, such that nothing in them is taken for markup.

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter]!);

/** No text in it can end the script element that it stands in. */
export const jsonOf = (data: unknown): string => JSON.stringify(data).replaceAll('<', '\\u003c');
