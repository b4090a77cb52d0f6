/** The JSON document that a text is or ends in ("Error 429: {...}"); undefined when it holds none. */
export function jsonInText(text: string): unknown {
  const start = text.search(/[[{]/);
  const end = Math.max(text.lastIndexOf("}"), text.lastIndexOf("]"));
  if (start < 0 || end <= start || !/^[[{]\s{0,20}["{[]/.test(text.slice(start, start + 50))) {
    return undefined;
  }
  try {
    return JSON.parse(text.slice(start, end + 1));
  } catch {
    return undefined; // brackets in prose: the text is evidence as it stands
  }
}
