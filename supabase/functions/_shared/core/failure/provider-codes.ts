import type { Verdict } from "./failure.ts";

/** Numbers (and short codes) that mean something at one provider only. */
export interface ProviderCodes {
  /** Words of a service's or provider's name that select this table ("whatsapp-cloud" has the word "whatsapp"). */
  names: string;
  /** Codes separated by blanks; a leading ~ lets the text beside the code overrule it. */
  codes: Partial<Record<Verdict, string>>;
}

/** Providers, by a word of their names, that hand out API keys, bot tokens or passwords only: no token to refresh. */
export const STATIC_CREDENTIALS: ReadonlySet<string> = new Set(
  ("telegram openai anthropic mistral cohere groq deepseek perplexity openrouter replicate elevenlabs deepl" +
    " assemblyai deepgram twilio vonage nexmo plivo messagebird telnyx infobip sendgrid mailgun postmark sparkpost" +
    " resend brevo mailjet algolia typesense meilisearch pinecone qdrant datadog newrelic opsgenie segment amplitude" +
    " mixpanel posthog stripe adyen razorpay paystack braintree binance kraken bybit openweathermap mapbox tomtom" +
    " newsapi finnhub coinmarketcap coingecko contentful notion trello ssh sftp ftp ldap").split(" "),
);

/** From the providers' error references. */
export const PROVIDER_CODES: readonly ProviderCodes[] = [
  {
    names: "facebook meta instagram whatsapp messenger threads waba",
    codes: {
      "auth.refresh": "~190 ~102 463 467",
      "auth.final": "3 ~10 200 299 294 458 459 460 464 492 131005 131031",
      "auth.unclear": "~0",
      rate_limit:
        "4 17 32 341 613 80000 80001 80002 80003 80004 80005 80006 80008 80014 80007 130429 131048 131056 133016 2446079",
      "network.outage": "1 2 131000 131016 133004",
      data:
        "~100 33 368 506 1609005 131008 131009 131021 131026 131042 131045 131047 131049 131051 131052 131053 132000 132001 132005 132007" +
        " 132012 132015 132016 132068 132069 133000 133005 133006 133010 135000 130472 130497",
    },
  },
  {
    names: "twitter x",
    codes: {
      "auth.refresh": "89",
      "auth.final": "63 64 87 99 135 220 261 326 416 417",
      "auth.unclear": "32 215",
      rate_limit: "88 185 226 161",
      "network.outage": "130 131",
      data: "17 34 50 93 144 150 179 186 187 323 324 327 349 354 355 385 386 407 433 453",
    },
  },
  {
    names: "twilio",
    codes: {
      "auth.final": "~20003 ~20005 20006 20101 20102 20103 20104 20105 20107 51001",
      rate_limit: "20429 14107 30022 30001 63018 88888 51002",
      network: "11200 11205 11210 11215 11220 11235 11236 11237 30008 30009",
      "network.outage": "20500 20503 30017 31001",
      data:
        "~20001 20002 20004 20404 21211 21212 21214 21217 21219 21401 21408 21421 21601 21602 21604 21606 21608 21610 21611 21612 21614 21617" +
        " 21620 21623 21703 30002 30003 30004 30005 30006 30007 30010 30032 30034 30410 30500 60200 60202 60203 60410 63003 63007 63015 63016 63024 63030",
    },
  },
  {
    names: "discord",
    codes: {
      "auth.final": "40001 40002 50001 50013 50014 50025 60003 20001 20002",
      "auth.unclear": "~0",
      rate_limit: "20016 20022 20028 20029 31001 40062",
      "network.outage": "130000",
      data:
        "10001 10003 10004 10006 10008 10011 10013 10014 10015 10020 10062 20009 30001 30003 30005 30007 30010 30013 40005 40007 40033 40060" +
        " 50003 50004 50005 50006 50007 50008 50009 50016 50019 50020 50021 50024 50034 50035 50041 50045 50054 50109 160002 160004",
    },
  },
  {
    names: "zoom",
    codes: {
      "auth.refresh": "~124 ~4700 ~4702",
      "auth.final": "~4711 ~104 4704 4705 4706 4717 1117",
      rate_limit: "~429",
      data: "~200 ~300 1001 1005 1009 1010 2300 3000 3001 3003 3161 4100",
    },
  },
  {
    names: "quickbooks intuit qbo",
    codes: {
      "auth.refresh": "3200 100",
      "auth.final": "3100 3202 5020 270 120",
      rate_limit: "3001 10001",
      "network.outage": "10000 130",
      data:
        "500 600 610 620 2010 2020 2050 2170 2500 4000 4001 5010 5030 6000 6010 6070 6140 6190 6210 6240 6430 6440 6480 6540",
    },
  },
  {
    names: "binance",
    codes: {
      "auth.final": "-1002 -1021 -1022 -2014 -2015 -1099",
      rate_limit: "-1003 -1015 -1034",
      network: "-1001 -1006 -1007",
      "network.outage": "-1000 -1008 -1016",
      data:
        "-1013 -1020 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1111 -1112 -1114 -1115 -1116 -1117 -1121 -1128 -1130 -2010 -2011 -2013 -2018 -2019",
    },
  },
  {
    names: "cloudflare",
    codes: {
      "auth.final": "6003 6111 9103 9106 9109 1000 1012 1020 1106 10013 1010 1009",
      "auth.unclear": "10000",
      rate_limit: "1015 971 10429 1027",
      network: "1016 1001",
      "network.outage": "520 521 522 523 524 525 526 527 530 1101 1102 10002",
      data: "1003 1004 1014 7000 7003 81044 81053 81057 81058 10014 10007 10021",
    },
  },
  {
    names: "wechat weixin wecom",
    codes: {
      "auth.refresh": "40001 40014 41001 42001",
      "auth.final": "40013 40125 40029 40030 40163 42002 42007 48001 50001 61004 301002 60011",
      rate_limit: "45009 45011 45047 45033",
      "network.outage": "-1",
      data: "40003 40008 40035 40037 41028 41030 43004 43019 44002 45002 45015 46003 47001 47003 40058 60111",
    },
  },
  {
    names: "feishu lark larksuite",
    codes: {
      "auth.refresh": "99991663 99991664 99991661 99991668 99991677 20005 4001 99991671",
      "auth.final":
        "99991672 99991679 99991665 10003 10014 20007 20037 20038 20064 20073 20074 99991673 230027",
      rate_limit: "99991400 11232 230020 9499",
      "network.outage": "1500 99991500 2200 55001",
      data: "99992402 230001 230002 230006 230011 230013 11213 9999 1254000 1254045",
    },
  },
  {
    names: "dingtalk",
    codes: {
      "auth.refresh": "40014 42001 40001",
      "auth.final": "60011 40078 40089 52013",
      rate_limit: "130101 90018 90002 45009 660026",
      "network.outage": "-1",
      data: "310000 40035 400013 400101",
    },
  },
  {
    names: "linkedin",
    codes: {
      "auth.refresh": "65600 65602",
      "auth.final": "65601 65604 100",
      rate_limit: "101",
      data: "66400",
    },
  },
  {
    names: "tiktok",
    codes: {
      "auth.refresh": "~40104",
      "auth.final": "~40001 ~40105 40102 40103",
      rate_limit: "40100 40016 40133",
      "network.outage": "50000 50002 51010 51305",
      data: "40000 40002 40006 40051 40101",
    },
  },
  {
    names: "postmark",
    codes: {
      "auth.final": "10 412",
      rate_limit: "429",
      data: "300 400 401 402 403 405 406 409 410 411 413 701",
    },
  },
  {
    names: "adyen",
    codes: {
      "auth.final": "000 010 901 803 ~00",
      rate_limit: "1017",
      data: "100 101 103 129 130 138 140 167 174 702 703 704 905 905_1 905_3 ~902 ~907",
    },
  },
  {
    names: "postgres postgresql pg psql libpq supabase postgrest neon cockroachdb timescale alloydb redshift",
    codes: {
      "auth.final": "28000 42501",
      "network": "40001 57014 53300 08000 08001 08003 08004 08006 25006",
      "network.outage": "53000 53200 58000 58030",
      data:
        "22001 22003 22007 22008 22012 22023 23000 23001 23502 23503 23505 23514 42601 42701 42703 42704 42710 42804 42809 42883",
    },
  },
  {
    names: "mysql mariadb planetscale tidb aurora vitess",
    codes: {
      "auth.final": "1044 1045 1142 1143 1227 1698 1820 1862",
      network:
        "1040 1053 1158 1159 1160 1161 1203 1205 1213 1226 1317 2002 2003 2005 2006 2012 2013 2026 2055 3024 1290 1836 9001 9002",
      data:
        "1048 1049 1054 1062 1064 1136 1146 1149 1216 1217 1264 1265 1292 1364 1366 1406 1451 1452 1690 3140 3819 1114",
    },
  },
  {
    names: "mssql sqlserver azuresql tsql",
    codes: {
      "auth.final": "18456 229 230 262 4060 18452 18470 18487 18488 916",
      rate_limit: "10928 10929 40501 49918 49919 49920",
      network: "1205 1222 -2 53 121 233 64 10053 10054 10060 40197 40613 40143 4221 615 926 3960",
      data: "102 207 208 245 515 547 2601 2627 2628 8152 8134 40544",
    },
  },
  {
    names: "mongodb mongo atlas mongoose",
    codes: {
      "auth.final": "13 18 8000",
      network: "6 7 50 89 91 112 134 189 262 9001 10107 11600 11602 13388 13435 13436 24 251",
      data: "2 9 14 20 26 48 66 121 11000 11001 16755 17280 59 73",
    },
  },
  {
    names: "grpc envoy firestore spanner pubsub bigtable etcd googleads temporal",
    codes: {
      "auth.refresh": "16",
      "auth.final": "7",
      rate_limit: "~8",
      network: "4 10 14",
      "network.outage": "13 15",
      data: "3 5 6 ~9 11 12",
      unknown: "~1 ~2",
    },
  },
  {
    names: "jsonrpc ethereum infura alchemy quicknode solana web3 rpc mcp",
    codes: {
      rate_limit: "-32005 -32097 -32029",
      "network.outage": "~-32603 -32002",
      data: "-32700 -32600 -32601 -32602 ~-32000 -32003 -32004 -32006 3",
    },
  },
  {
    names: "smtp nodemailer postfix ses sendmail mail email exim",
    codes: {
      "auth.final": "530 534 535 538",
      network: "~421 ~450 ~451 ~454",
      data: "~452 500 501 502 503 504 ~550 551 ~552 553 ~554 555 556 521",
    },
  },
  {
    names: "ldap activedirectory openldap",
    codes: {
      "auth.final": "48 49 50 8 7 13",
      network: "51 52 81 85 91 3",
      rate_limit: "~11 ~4",
      data: "16 17 18 19 20 21 32 34 64 65 66 67 68 69 53",
      "network.outage": "1 80",
    },
  },
  {
    names: "curl libcurl php guzzle",
    codes: {
      network: "5 6 7 16 18 28 35 51 52 53 55 56 58 59 60 66 77 80 82 83 91 92 95 96",
      data: "1 3 4 43 63",
      unknown: "47 23 42 61",
    },
  },
  {
    names: "rabbitmq amqp",
    codes: {
      "auth.final": "403 530",
      network: "320 501 504",
      "network.outage": "541",
      data: "311 312 313 402 404 405 406 502 503 505 540",
    },
  },
  {
    names: "kafka confluent redpanda",
    codes: {
      "auth.final": "29 30 31 58",
      network: "5 6 7 13 14 15 16 19 20 27",
      data: "1 3 10 17 18 36 37 42 87",
      rate_limit: "89",
    },
  },
  {
    names: "vk vkontakte",
    codes: {
      "auth.refresh": "5",
      "auth.final": "7 15 17",
      rate_limit: "6 9 29",
      "network.outage": "1 10",
      data: "100 113 8 3",
    },
  },
  {
    names: "apns apple",
    codes: { "auth.refresh": "ExpiredProviderToken", "network.outage": "InternalServerError" },
  },
  { names: "xero", codes: { data: "10 14 16 17 500" } },
];
