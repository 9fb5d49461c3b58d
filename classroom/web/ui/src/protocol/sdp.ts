/** What WebRTC's API cannot say and SDP can. Pure text in, text out. */

const EOL = "\r\n";

/** Split into the session part and one part per m-section. */
function sections(sdp: string): string[] {
  return sdp.split(/^(?=m=)/m);
}

/**
 * Name the m-sections of an offer (`a=label`, RFC 4574), in order; sections without a name stay as they are.
 * Goes into the offer that is sent only: the browser does not know the attribute.
 */
export function withLabels(sdp: string, labels: readonly string[]): string {
  const [session = "", ...media] = sections(sdp);
  return (
    session +
    media
      .map((section, i) => {
        const label = labels[i];
        return label === undefined ? section : `${section.trimEnd()}${EOL}a=label:${label}${EOL}`;
      })
      .join("")
  );
}

/**
 * Ask for retransmission of Opus (`a=rtcp-fb:<pt> nack`, RFC 4585), which browsers do only when their own
 * description says so.
 */
export function withOpusNack(sdp: string): string {
  return sections(sdp)
    .map((section) => {
      const rtpmap = /^a=rtpmap:(\d+) opus\/48000[^\r\n]*/im.exec(section);
      if (rtpmap === null) return section;
      const feedback = `a=rtcp-fb:${rtpmap[1] ?? ""} nack`;
      if (section.split(/\r?\n/).includes(feedback)) return section;
      return section.replace(rtpmap[0], `${rtpmap[0]}${EOL}${feedback}`);
    })
    .join("");
}

const CREDENTIALS = ["ice-ufrag", "ice-pwd"] as const;

/** The ICE credentials of a description or fragment as a fragment of their own (RFC 8840); empty when it has none. */
export function iceCredentials(sdp: string): string {
  const lines = CREDENTIALS.map((name) => new RegExp(`^a=${name}:\\S+`, "m").exec(sdp)?.[0]);
  return lines.includes(undefined) ? "" : lines.map((line) => `${line ?? ""}${EOL}`).join("");
}

/** A description with the ICE credentials of a fragment, everything else as it is: the answer to an ICE restart. */
export function withIceCredentials(sdp: string, fragment: string): string {
  return CREDENTIALS.reduce((text, name) => {
    const line = new RegExp(`^a=${name}:\\S+`, "m").exec(fragment)?.[0];
    return line === undefined ? text : text.replace(new RegExp(`^a=${name}:\\S+`, "gm"), line);
  }, sdp);
}
