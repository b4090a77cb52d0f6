/** What a body of markup says. */
export interface Markup {
  /** Leaf elements of XML, in order: `<Code>SlowDown</Code>` is `{ Code: "SlowDown" }`. */
  fields: Record<string, string>[];
  /** Headings and beginning of an HTML page: of a gateway's error page only these are about the failure. */
  texts: string[];
}

const LONGEST_MARKUP = 20_000;
const MOST_FIELDS = 30;

/** Reads an XML error or a gateway's HTML page without parsing it: error bodies are often cut off or malformed. */
export function readMarkup(text: string): Markup {
  const source = text.slice(0, LONGEST_MARKUP);
  if (!/<(?:!doctype )?html|<title|<h1|<body/i.test(source.slice(0, 2000))) {
    const leaves = [...source.matchAll(/<([\w:.-]{1,40})(?: [^<>]{0,200})?>([^<>]{1,1000})<\//g)];
    const fields = leaves.slice(0, MOST_FIELDS).map(([, tag = "", value = ""]) => ({
      [tag.replace(/^.*:/, "")]: value,
    }));
    return fields.length > 0 ? { fields, texts: [] } : { fields, texts: [text] };
  }
  const headings = [...source.matchAll(/<(?:title|h1|h2)\b[^<>]{0,200}>([^<>]{1,300})/gi)];
  const body = source.slice(Math.max(0, source.search(/<body/i))).replace(/<[^<>]{0,500}>/g, " ");
  const beginning = body.replace(/\s+/g, " ").trim().slice(0, 400);
  return { fields: [], texts: [...headings.map(([, heading = ""]) => heading), beginning] };
}
