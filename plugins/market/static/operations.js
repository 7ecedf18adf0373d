// The page Operations: each part is asked for by itself, so that one that fails takes no other with it.

import { byId } from "./dom.js";
import { partFailed, refreshed, stateText } from "./page.js";
import { showQuota } from "./quota.js";
import { showFindings, showOpenGaps, showQuarantine } from "./records.js";
import { showRuns, showWorkers } from "./runs.js";

const PARTS = {
  quota: (place) => showQuota(place, byId("waiting")),
  runs: showRuns,
  workers: showWorkers,
  findings: (place) => showFindings(place),
  gaps: showOpenGaps,
  quarantine: (place) => showQuarantine(place),
};

for (const id of [...Object.keys(PARTS), "waiting"]) stateText(byId(id), "Loading …", { busy: true });

refreshed(async () => {
  const parts = Object.entries(PARTS).map(([id, show]) => ({ place: byId(id), shown: show(byId(id)) }));
  const results = await Promise.allSettled(parts.map(({ shown }) => shown));
  const failed = results.map(({ reason }, index) => ({ reason, place: parts[index].place })).filter(({ reason }) => reason);
  for (const { reason, place } of failed) partFailed(place, reason);
  if (failed.length) throw failed[0].reason;
});
