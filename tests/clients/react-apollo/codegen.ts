import { InMemoryCache } from "@apollo/client";
import type { CodegenConfig } from "@graphql-codegen/cli";

// Custom scalars are strings on the wire; `strictScalars` fails the build when one is forgotten.
const scalars = {
  CurrencyCode: "string",
  Date: "string",
  DateTime: "string",
  Decimal: "string",
  URL: "string",
};

// Each `__typename` that Apollo's cache asks for: the server answers what it has registered, and
// nothing that is added later.
const cache = new InMemoryCache();

const config: CodegenConfig = {
  schema: "../../../schema/schema.graphql",
  documents: "src/**/*.ts*",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false, persistedDocuments: true },
      documentTransforms: [
        {
          transform: ({ documents }) =>
            documents.map((file) => ({
              ...file,
              document: file.document && cache.transformDocument(file.document),
            })),
        },
      ],
      config: { scalars, strictScalars: true, useTypeImports: true },
    },
  },
  silent: true,
};

export default config;
