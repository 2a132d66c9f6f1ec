export function InteractionList() { return null; }
