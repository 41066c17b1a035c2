export const LIVE_PICTURES: Record<string, string>
