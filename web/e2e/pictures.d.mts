export const LIVE_PICTURES: Record<string, string>
export const PORTAL_PICTURES: Record<string, string>
