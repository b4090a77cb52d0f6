/** The least that a function can be. */
export default { fetch: () => new Response(null, { status: 401 }) };
