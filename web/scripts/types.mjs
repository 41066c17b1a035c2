// Types of the API from its own OpenAPI document, so that they cannot drift.
//
//   npm run types          writes src/api/types.gen.ts from docs/openapi.json
//   npm run types:check    fails when that file is not what would be written
//
// Small on purpose: components.schemas only, with what the Rust side emits
// (objects, arrays, enums, oneOf/anyOf/allOf, nullable, $ref, maps, tuples).
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const OUT = at('../src/api/types.gen.ts')

export function generate(document) {
  const schemas = document.components?.schemas ?? {}
  const parts = Object.keys(schemas)
    .toSorted()
    .map((name) => declaration(name, schemas[name]))
  return `// From docs/openapi.json by \`npm run types\`; not to be edited.\n\n${parts.join('\n')}`
}

function declaration(name, schema) {
  const comment = schema.description ? `/** ${oneLine(schema.description)} */\n` : ''
  const plainObject = isObject(schema) && !schema.oneOf && !schema.allOf && !schema.anyOf && !schema.nullable
  if (plainObject && schema.properties) return `${comment}export interface ${identifier(name)} ${body(schema, '')}\n`
  return `${comment}export type ${identifier(name)} = ${type(schema, '')}\n`
}

/** A schema as a TypeScript type. */
export function type(schema, indent) {
  if (schema === true || schema === undefined) return 'unknown'
  if (schema.$ref) return withNull(identifier(schema.$ref.split('/').at(-1)), schema.nullable)
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const several = schema.oneOf ?? schema.anyOf
  if (several) return withNull([...new Set(several.map((one) => type(one, indent)))].join(' | '), schema.nullable)
  if (schema.allOf) return withNull(schema.allOf.map((one) => bracket(type(one, indent))).join(' & '), schema.nullable)
  if (Array.isArray(schema.type)) return [...new Set(schema.type.map((one) => type({ ...schema, type: one }, indent)))].join(' | ')
  return withNull(single(schema, indent), schema.nullable)
}

function single(schema, indent) {
  switch (schema.type) {
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'null':
      return 'null'
    case 'array':
      if (schema.prefixItems) return `[${schema.prefixItems.map((one) => type(one, indent)).join(', ')}]`
      return `${bracket(type(schema.items, indent))}[]`
    default:
      if (schema.properties) return body(schema, indent)
      if (schema.additionalProperties) return `Record<string, ${type(schema.additionalProperties, indent)}>`
      return isObject(schema) && schema.type ? 'Record<string, unknown>' : 'unknown'
  }
}

function body(schema, indent) {
  const inner = `${indent}  `
  const required = new Set(schema.required ?? [])
  const lines = Object.entries(schema.properties).flatMap(([name, value]) => {
    const comment = value.description ? [`${inner}/** ${oneLine(value.description)} */`] : []
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
    return [...comment, `${inner}${key}${required.has(name) ? '' : '?'}: ${type(value, inner)}`]
  })
  return `{\n${lines.join('\n')}\n${indent}}`
}

const isObject = (schema) => schema.type === 'object' || schema.properties !== undefined
const withNull = (text, nullable) => (nullable ? `${text} | null` : text)
const bracket = (text) => (/[|&]/.test(text) ? `(${text})` : text)
const identifier = (name) => name.replace(/[^\w$]+/g, '_')
const oneLine = (text) => text.replace(/\s+/g, ' ').replaceAll('*/', '* /').trim()

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const document = at('../../docs/openapi.json')
  if (!existsSync(document)) {
    console.log('docs/openapi.json does not exist yet: src/api/types.ts stands for it, by hand.')
  } else {
    const wanted = generate(JSON.parse(readFileSync(document, 'utf8')))
    const found = existsSync(OUT) ? readFileSync(OUT, 'utf8') : ''
    if (!process.argv.includes('--check')) writeFileSync(OUT, wanted)
    else if (found !== wanted) {
      console.error('The types are not those of docs/openapi.json: run `npm run types`.')
      process.exit(1)
    }
  }
}
