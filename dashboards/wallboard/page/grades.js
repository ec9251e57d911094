// How bad a queue or a channel is at this moment, by the board's thresholds and the policies' targets. It only judges.
// Thresholds are for channels whose contacts wait on the line: e-mail waits for hours.

import { LIVE } from "./names.js";
import { shown, shownAt } from "./shown.js";

const thresholds = () => shown.latest?.board?.thresholds ?? {};

function graded(value, warning, critical) {
  if (value === null) return { grade: "", limit: null };
  if (critical != null && value >= critical) return { grade: "critical", limit: critical };
  if (warning != null && value >= warning) return { grade: "warning", limit: warning };
  return { grade: "", limit: null };
}

/** `grade`: "critical", "warning" or none; `limit`: the threshold that was reached. */
export const waitingGrade = ({ channel, now }) => graded(LIVE.has(channel) ? now.waiting : null, thresholds().waiting_warning, thresholds().waiting_critical);

export function longestGrade({ channel, now }) {
  const since = now.oldest_waiting_since;
  return graded(since === null || !LIVE.has(channel) ? null : shownAt() - since, thresholds().longest_warning_ms, thresholds().longest_critical_ms);
}

/** Contacts beyond a target of any metric, and those close to one. */
export const lateOf = (gauges) => Math.max(gauges.breached, gauges.breached_queue_wait ?? 0) + (gauges.breached_next_response ?? 0) + (gauges.breached_resolution ?? 0);
export const riskOf = (gauges) => Math.max(gauges.at_risk, gauges.at_risk_queue_wait ?? 0) + (gauges.at_risk_next_response ?? 0) + (gauges.at_risk_resolution ?? 0);
