// The mock is plain JavaScript; test/shapes.test.ts holds it to the document.
export function rooms(): unknown[]
export function status(kind: string): unknown
export function visit(slug: string, base: string): unknown
export function facts(over?: object): unknown
export function links(): unknown[]
export function activity(): unknown[]
export function journal(): unknown[]
export function series(): unknown
export function sessions(): unknown[]
export function admins(): unknown[]
export function tokens(): unknown[]
export const people: unknown[]
export const profiles: unknown[]
export const presence: unknown
export const ingest: unknown
export const files: unknown[]
export const logLines: unknown[]
