export function QueueReportPage() { return null; }
export function AgentReportPage() { return null; }
