// The audits of graphql-http: does the server speak GraphQL over HTTP?
import { auditServer } from "graphql-http";
import { show, told } from "./told.mjs";

const results = await auditServer({ url: told.url });
show(results.map(({ id, name, status, reason }) => ({ id, name, status, reason })));
