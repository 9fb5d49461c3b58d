import { expect, it } from "vitest";
import type { Label } from "../src/protocol/messages.gen";
import { sampleReport, statsBetween, totalBytes } from "../src/protocol/receive_stats";

const labels = new Map<string, Label>([
  ["0", "camera"],
  ["2", "mic"],
]);

function reportOf(...entries: { id: string; type: string; [key: string]: unknown }[]): RTCStatsReport {
  return new Map(entries.map((entry) => [entry.id, entry]));
}

function report(camera: object, mic: object): RTCStatsReport {
  return reportOf(
    { id: "a", type: "inbound-rtp", mid: "0", ...camera },
    { id: "b", type: "inbound-rtp", mid: "2", ...mic },
    { id: "c", type: "candidate-pair", nominated: true, currentRoundTripTime: 0.042 },
    { id: "d", type: "candidate-pair", nominated: true, currentRoundTripTime: 9 },
    { id: "e", type: "inbound-rtp", mid: "7", bytesReceived: 1e9 },
    { id: "f", type: "transport", selectedCandidatePairId: "c" },
  );
}

it("turns totals into rates", () => {
  const before = sampleReport(
    report(
      { bytesReceived: 1000, packetsReceived: 10, packetsLost: 1, framesDecoded: 5 },
      { bytesReceived: 100 },
    ),
    labels,
    1_000,
  );
  const after = sampleReport(
    report(
      { bytesReceived: 251_000, packetsReceived: 100, packetsLost: 11, framesDecoded: 65, freezeCount: 2 },
      { bytesReceived: 8_100 },
    ),
    labels,
    3_000,
  );
  expect(totalBytes(after)).toBe(259_100);
  expect(statsBetween(before, after)).toMatchObject({
    rtt_s: 0.042,
    bitrate_bps: 1_032_000,
    loss: 0.1,
    slots: [
      { label: "camera", bitrate_bps: 1_000_000, loss: 0.1, fps: 30, freezes: 2 },
      { label: "mic", bitrate_bps: 32_000, loss: 0, fps: 0 },
    ],
  });
});

it("reads the round trip of the path in use, not of any that was nominated", () => {
  const pair = { type: "candidate-pair", nominated: true };
  const stats = reportOf(
    { ...pair, id: "left", currentRoundTripTime: 9 },
    { ...pair, id: "used", currentRoundTripTime: 0.042 },
    { ...pair, id: "spare", currentRoundTripTime: 8 },
    { id: "t", type: "transport", selectedCandidatePairId: "used" },
  );
  expect(sampleReport(stats, labels, 0).rtt_s).toBe(0.042);
});

it("knows no round trip before a path is in use", () => {
  const pair = { id: "c", type: "candidate-pair", nominated: true, currentRoundTripTime: 9 };
  const transport = { id: "t", type: "transport" };
  expect(sampleReport(reportOf(pair, transport), labels, 0).rtt_s).toBeNull();
});
