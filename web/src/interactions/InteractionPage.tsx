export function InteractionPage() { return null; }
