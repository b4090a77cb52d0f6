/**
 * Patterns that take a backtracking engine exponential or high polynomial time, each with what hurts it: a piece that is
 * repeated, what stands before and behind it, and whether the pattern matches in the end.
 */
export interface EvilPattern {
  pattern: string;
  piece: string;
  before?: string;
  behind?: string;
  matches: boolean;
}

const evil = (pattern: string, piece: string, behind = "", matches = false, before = ""): EvilPattern => ({
  pattern,
  piece,
  before,
  behind,
  matches,
});

/** No part of it repeats soon, so that an automaton meets a new state at nearly every character. */
const irregular = Array.from({ length: 500 }, (_, i) => "ab"[Math.floor(Math.sin(i * i) * 1_000) & 1]).join(
  "",
);

export const evilPatterns: EvilPattern[] = [
  // A repetition that is repeated.
  evil("^(a+)+$", "a", "!"),
  evil("(a+)+$", "a", "!"),
  evil("^(a*)*$", "a", "!"),
  evil("^(a+)*$", "a", "!"),
  evil("^(a*)+$", "a", "!"),
  evil("^((a+)+)+$", "a", "!"),
  evil("^(((a*)*)*)*$", "a", "!"),
  evil("^(a+)+b", "a", "c"),
  evil("(x+x+)+y", "x", "", false, "y"),
  evil("^(\\w+\\s?)*$", "a ", "!"),
  evil("^(\\d+)*[a-z]$", "1", "!"),
  evil("^([a-zA-Z]+)*$", "a", "1"),
  evil("^(.*)*$", "a", "\n!"),
  evil("^([^x]*)*x", "a"),
  evil("^(\\s*\\S*)*z$", "a ", "!"),
  evil("^(a{1,5})+$", "a", "!"),
  evil("^(a{2,})*$", "a", "!"),
  evil("^(?:(?:ab)+)+$", "ab", "a"),
  // Alternatives that overlap.
  evil("^(a|a)*$", "a", "!"),
  evil("^(a|aa)+$", "a", "!"),
  evil("^(a|a?)+$", "a", "!"),
  evil("^(a|b|ab)*c$", "ab", "!"),
  evil("^(\\w|\\d)*$", "1", "!"),
  evil("^(.|\\s)*x$", "a ", "!"),
  evil("^(a|b|[ab])*$", "ab", "!"),
  evil("^(foo|fo|f|o)*$", "foo", "!"),
  evil("^((a|b)*(a|b)*)*c$", "abc", "a"),
  evil("^([ab]|[bc]|[ca])+$", "abc", "!"),
  evil("^(\\d\\d|\\d\\d\\d|\\d)+$", "1", "x"),
  evil("^(?:a|ab|abc|abcd)*$", "abcd", "e"),
  // Repetitions that can share the text in many ways.
  evil("a*a*a*a*a*a*a*a*a*a*b$", "a", "!", false, "b"),
  evil("^a*a*a*a*a*a*$", "a", "!"),
  evil(".*.*.*.*.*=.*;", "="),
  evil("(.*)(.*)(.*)(.*)(.*)x$", "xa"),
  evil("\\s+$", " ", "a"),
  evil("^\\s+|\\s+$", " ", "a", false, "a"),
  evil(",\\s*\\s*\\s*;", " ", "!", false, ","),
  evil("x*y*x*y*x*z$", "xy", "", false, "z"),
  evil("\\d+\\d+\\d+\\d+x", "1", "", false, "x"),
  evil("\\w*\\w*\\w*\\w*@$", "a", "", false, "@"),
  evil("a.*b.*c.*d.*e.*f", "abcde"),
  evil("(a.*)*z$", "az", "a"),
  // Repetitions that are counted.
  evil("^(a?){30}a{30}$", "a"),
  evil("^(a{0,9}){9}$", "a", "!"),
  evil("(.*){9}x$", "xa"),
  evil("^(\\w{1,20}){1,20}!$", "a"),
  evil("^(.{1,9},){9}P", "1,"),
  evil("^(?:a+){10}$", "a", "!"),
  evil("(a|b)*a(a|b){12}c", irregular, "", false, "c"),
  evil("[ab]*a[ab]{14}!", irregular, "", false, "!"),
  evil("[ab]*a[ab]{30}!", irregular, "", false, "!"),
  evil("^(a|b)*a(a|b){8}$", irregular, "abbbbbbbb", true),
  // What has hurt real services, or looks like it: e-mail addresses, URLs, quotes, comments, numbers, dates, markup.
  evil(
    "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    "a",
    "!",
  ),
  evil("^(([a-z])+.)+[A-Z]([a-z])+$", "a"),
  evil("^(https?://)?([\\da-z.-]+)\\.([a-z.]{2,6})([/\\w .-]*)*/?$", "/a", "?", false, "a.com"),
  evil('"([^"\\\\]|\\\\.|\\\\")*"', '\\"', "", false, '"'),
  evil("/\\*(.|\\n)*\\*/$", "*", "", false, "/*"),
  evil("^[-+]?(\\d+,?)+(\\.\\d+)?$", "1", "x"),
  evil("(?:\\d+[-/.]?)+\\s*UTC", "1"),
  evil("<(\\w+\\s*)*>", "a ", "", false, "<"),
  evil("(?:.*(?:.*=.*);)$", "a="),
  evil("^(([a-z]+\\d*)+[.])+com$", "a1", "!"),
  evil("^((\\w+)\\s*,?\\s*)+$", "ab, ", "ok", true),
  evil("(a+)+b", "a", "b", true),
];
