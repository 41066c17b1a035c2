// The mock is plain JavaScript; tests cast what they take from it.
export function rooms(): unknown[]
export function status(kind: string): unknown
