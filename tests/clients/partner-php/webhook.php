<?php

/** Where deliveries come in. What is answered with 2xx does not come again. */

declare(strict_types=1);

require __DIR__ . '/shop.php';

try {
    shop()->hear(
        file_get_contents('php://input', length: 1_000_000),
        $_SERVER['HTTP_WEBHOOK_ID'] ?? '',
        $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
        $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '',
    );
    http_response_code(204);
} catch (Forged) {
    http_response_code(401);
}
