/** What a WHIP and a WHEP session have in common: one PeerConnection, its resource on the server, ICE restarts. */

import { Problem, problemOf } from "./problem";
import { iceCredentials, withIceCredentials, withLabels, withOpusNack } from "./sdp";
import type { TokenSource } from "./token";

export interface MediaTarget {
  /** Where to POST, with `?participant=`. */
  url: string;
  token: TokenSource;
}

const DEADLINE_MS = 4_000;
/**
 * The handshakes of a new session take longer where a computer is slow or a packet of theirs is lost: who began anew
 * after the time that is for media would never come in. The server waits 15 s for them.
 */
export const HANDSHAKES_MS = 10_000;
/** While they take place another path is looked for once after so long: the network may have changed in between. */
export const HANDSHAKES_DOUBT_MS = 2_500;

export abstract class MediaSession {
  protected readonly pc: RTCPeerConnection;
  readonly #target: MediaTarget;
  readonly #abort = new AbortController();
  #resource: string | null = null;
  /** What the server said is over before it was known what it calls this one. */
  readonly #overBefore = new Set<string>();
  /** The latest: saying goodbye waits for nothing. */
  #token = "";

  constructor(target: MediaTarget) {
    this.#target = target;
    // The server is ICE-lite with host candidates: it is reached directly or not at all, so no STUN, no TURN.
    this.pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  }

  get connectionState(): RTCPeerConnectionState {
    return this.pc.connectionState;
  }

  /** What the server calls this session; null before it has answered. */
  get #id(): string | null {
    return this.#resource?.split("/").at(-1) ?? null;
  }

  /**
   * The server says that a session is over: whether it is this one. The word may overtake the answer to our offer; then
   * it is the answer that fails.
   */
  isOver(session_id: string): boolean {
    if (this.#id === null) this.#overBefore.add(session_id);
    return this.#id === session_id;
  }

  set onconnectionstatechange(listener: () => void) {
    this.pc.onconnectionstatechange = listener;
  }

  /**
   * Offer what was added, POST, apply the answer; media flow some round trips later. `labels` name the m-sections.
   *
   * Throws Problem (status 0 when the server cannot be reached).
   */
  protected async negotiate(labels: readonly string[]): Promise<void> {
    const offer = await this.pc.createOffer();
    const sdp = withOpusNack(offer.sdp ?? "");
    await this.pc.setLocalDescription({ type: "offer", sdp });
    // Posted without waiting for candidates: an ICE-lite server learns our address from our first check.
    const response = await this.#ask("POST", this.#target.url, "application/sdp", withLabels(sdp, labels));
    const location = response.headers.get("Location");
    if (location !== null) this.#resource = new URL(location, response.url).href;
    if (this.#id !== null && this.#overBefore.has(this.#id)) {
      this.#resource = null; // there is nobody to take leave of
      throw new Problem(0, "session_ended", "");
    }
    await this.pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  /**
   * Look for a path again, on every network and over TCP, too, in the same session (ICE restart, RFC 9725 §4.3.2).
   *
   * Throws Problem when the server does not know the session any more, or cannot be reached.
   */
  async restart(): Promise<void> {
    const answer = this.pc.remoteDescription;
    if (this.#resource === null || answer === null) return;
    const offer = await this.pc.createOffer({ iceRestart: true });
    await this.pc.setLocalDescription({ type: "offer", sdp: withOpusNack(offer.sdp ?? "") });
    const credentials = iceCredentials(offer.sdp ?? "");
    const fragment = "application/trickle-ice-sdpfrag";
    const response = await this.#ask("PATCH", this.#resource, fragment, credentials, { "If-Match": "*" });
    const sdp = withIceCredentials(answer.sdp, await response.text());
    await this.pc.setRemoteDescription({ type: "answer", sdp });
  }

  /** End the session here and, unless the server has (`ended`), as well as it can be done there. */
  close(ended = false): void {
    this.#abort.abort();
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    if (ended || this.#resource === null) return;
    const headers = { Authorization: `Bearer ${this.#token}` };
    // The server forgets a silent session by itself: nobody waits for this, and it may fail.
    void fetch(this.#resource, { method: "DELETE", headers, keepalive: true }).catch(() => undefined);
    this.#resource = null;
  }

  async #ask(
    method: "POST" | "PATCH",
    url: string,
    type: string,
    body: string,
    more: Record<string, string> = {},
  ): Promise<Response> {
    const deadline = setTimeout(() => this.#abort.abort(), DEADLINE_MS);
    try {
      const fetchWith = (token: string): Promise<Response> => {
        this.#token = token;
        const headers = { "Content-Type": type, Authorization: `Bearer ${token}`, ...more };
        return fetch(url, { method, headers, body, signal: this.#abort.signal });
      };
      let response = await fetchWith(await this.#target.token());
      if (response.status === 401) {
        // It has expired, or was made with another key: there may be a newer one.
        const refused = this.#token;
        const another = await this.#target.token(refused);
        if (another !== refused) response = await fetchWith(another);
      }
      if (!response.ok) throw await problemOf(response);
      return response;
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem(0, "unreachable", error instanceof Error ? error.message : "");
    } finally {
      clearTimeout(deadline);
    }
  }
}
