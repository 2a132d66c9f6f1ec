export function AdminSection() { return null; }
