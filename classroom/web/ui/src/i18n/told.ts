/** What the server says to people, in the language that they read. Pure. */

/** "中文。 English.": Chinese sentences, a blank, English ones. */
const BOTH = /^(.*?[。！？])\s+(["“A-Za-z].*)$/s;

/** The half of a sentence of the server's that is in this language; all of it if it is not in two. */
export function told(detail: string, language: string): string {
  const [, chinese, english] = BOTH.exec(detail) ?? [];
  return (language === "en" ? english : chinese) ?? detail;
}
