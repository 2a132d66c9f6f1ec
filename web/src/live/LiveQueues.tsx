export function LiveQueues() { return null; }
