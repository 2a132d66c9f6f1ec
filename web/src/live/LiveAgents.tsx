export function LiveAgents() { return null; }
