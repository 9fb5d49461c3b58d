/** What a receiver measures, out of getStats() (W3C webrtc-stats). Pure. */

/** Running totals of one slot; null counters were never reported. */
export interface SlotTotals {
  label: string;
  bytes: number;
  packets: number;
  lost: number;
  framesDecoded: number;
  freezes: number;
  frozen_s: number;
}

export interface SlotStats {
  label: string;
  bitrate_bps: number;
  /** Share of packets lost since the last sample, 0..1. */
  loss: number;
  fps: number;
  freezes: number;
  frozen_s: number;
}

export interface ReceiveSample {
  at_ms: number;
  slots: SlotTotals[];
  rtt_s: number | null;
}

export interface ReceiveStats {
  rtt_s: number | null;
  bitrate_bps: number;
  loss: number;
  slots: SlotStats[];
}

/** The totals of every slot; `labels` maps the mid of an m-section to its slot. */
export function sampleReport(
  report: RTCStatsReport,
  labels: ReadonlyMap<string, string>,
  at_ms: number,
): ReceiveSample {
  const slots: SlotTotals[] = [];
  report.forEach((entry: Record<string, unknown>) => {
    if (entry["type"] === "inbound-rtp") {
      const label = labels.get(String(entry["mid"]));
      if (label === undefined) return;
      slots.push({
        label,
        bytes: number(entry["bytesReceived"]),
        packets: number(entry["packetsReceived"]),
        lost: number(entry["packetsLost"]),
        framesDecoded: number(entry["framesDecoded"]),
        freezes: number(entry["freezeCount"]),
        frozen_s: number(entry["totalFreezesDuration"]),
      });
    }
  });
  return { at_ms, slots, rtt_s: rttOfPathInUse(report) };
}

/** What happened between two samples of the same session. */
export function statsBetween(before: ReceiveSample, after: ReceiveSample): ReceiveStats {
  const span_s = Math.max(0.001, (after.at_ms - before.at_ms) / 1000);
  const slots = after.slots.map((slot): SlotStats => {
    const was = before.slots.find((other) => other.label === slot.label);
    const lost = Math.max(0, slot.lost - (was?.lost ?? 0));
    const packets = slot.packets - (was?.packets ?? 0);
    return {
      label: slot.label,
      bitrate_bps: ((slot.bytes - (was?.bytes ?? 0)) * 8) / span_s,
      loss: lost + packets > 0 ? lost / (lost + packets) : 0,
      fps: (slot.framesDecoded - (was?.framesDecoded ?? 0)) / span_s,
      freezes: slot.freezes,
      frozen_s: slot.frozen_s,
    };
  });
  return {
    rtt_s: after.rtt_s,
    bitrate_bps: slots.reduce((sum, slot) => sum + slot.bitrate_bps, 0),
    loss: slots.reduce((worst, slot) => Math.max(worst, slot.loss), 0),
    slots,
  };
}

export function totalBytes(sample: ReceiveSample): number {
  return sample.slots.reduce((sum, slot) => sum + slot.bytes, 0);
}

/** Of several candidate pairs that were nominated, those of paths that were left among them, one is in use. */
function rttOfPathInUse(report: RTCStatsReport): number | null {
  let used: unknown;
  report.forEach((entry: Record<string, unknown>) => {
    if (entry["type"] === "transport") used ??= entry["selectedCandidatePairId"];
  });
  const pair = report.get(String(used)) as Record<string, unknown> | undefined;
  const rtt_s = pair?.["currentRoundTripTime"];
  return typeof rtt_s === "number" ? rtt_s : null;
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
